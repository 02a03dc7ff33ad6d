package display

import (
	"io"

	"go.yaml.in/yaml/v3"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/operation"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// JSON writes a resolved plan in its JSON form.
func JSON(w io.Writer, plan *operation.Plan) error { return cli.PrintJSON(w, plan) }

// YAML writes a resolved plan. Its keys are those users know: names of fields in
// lower case, without underscores.
func YAML(w io.Writer, plan *operation.Plan) error {
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(plan); err != nil {
		return err
	}
	return encoder.Close()
}
