package main

import (
	"github.com/gravity-platform/terraform-provider-gravity/gravity/expand"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/install"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/gravity/removal"
)

// executors has for each type of operation what executes its phases, with the
// state directory of this node. Packages that make plans are entered here.
var executors = map[string]func(stateDir string) operation.Executors{
	operation.TypeExpand:  expand.Executors,
	operation.TypeInstall: install.Executors,
	operation.TypeShrink:  removal.Executors,
}
