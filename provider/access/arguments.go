package access

import (
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/types"
)

// Repeat writes a flag for each text of a list.
func Repeat(flag string, list types.List) []string {
	var args []string
	for _, element := range list.Elements() {
		if text, ok := element.(types.String); ok {
			args = append(args, flag+"="+text.ValueString())
		}
	}
	return args
}

// Pairs writes a flag as FLAG=KEY:VALUE for each text of a map, in the order of the
// keys.
func Pairs(flag string, pairs types.Map) []string {
	var args []string
	elements := pairs.Elements()
	for _, key := range slices.Sorted(maps.Keys(elements)) {
		if text, ok := elements[key].(types.String); ok {
			args = append(args, flag+"="+key+":"+text.ValueString())
		}
	}
	return args
}
