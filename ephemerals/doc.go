// Package ephemerals has the ephemeral resources of the Terraform provider: what
// exists while Terraform runs, and is in no plan and no state.
//
// Terraform opens them for each plan and each apply, so what one makes in the
// cluster ends by itself, also if Terraform is killed.
package ephemerals
