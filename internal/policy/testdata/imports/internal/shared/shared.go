package shared

import (
	_ "github.com/gravity-platform/terraform-provider-gravity/gravity/node"
)
