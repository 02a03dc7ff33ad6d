package bundle

import (
	_ "github.com/gravity-platform/terraform-provider-gravity/provider"
)
