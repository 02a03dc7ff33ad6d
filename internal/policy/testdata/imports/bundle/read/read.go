package read

import (
	_ "github.com/gravity-platform/terraform-provider-gravity/internal/shared"
)
