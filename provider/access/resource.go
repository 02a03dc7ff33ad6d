package access

import (
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
)

// FromProvider is what the provider handed over, for Configure of resources. It is
// nil while there is nothing yet.
func FromProvider(data any, diagnostics *diag.Diagnostics) *Access {
	if data == nil {
		return nil
	}
	reach, ok := data.(*Access)
	if !ok {
		diagnostics.AddError("Wrong provider data", fmt.Sprintf("The provider handed over %T. Report this to its developers.", data))
	}
	return reach
}

// AddError adds an error with its hints.
func AddError(diagnostics *diag.Diagnostics, summary string, err error) {
	diagnostics.AddError(summary, Detail(err))
}

// AddWarning adds an error that is no failure, with its hints.
func AddWarning(diagnostics *diag.Diagnostics, summary string, err error) {
	diagnostics.AddWarning(summary, Detail(err))
}
