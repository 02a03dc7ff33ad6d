package rule

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestFields(t *testing.T) {
	type structure struct {
		hidden int
		Name   string `json:"name" manifest:"required"`
		Count  int    `json:"count,omitempty" manifest:"default=a b,min=-1,max=2"`
		Text   string `json:"text" manifest:"fetch=image"`
		Plain  bool   `json:"plain"`
	}
	_ = structure{}.hidden
	least, most := int64(-1), int64(2)
	want := []Field{
		{Name: "name", Index: 1, Required: true},
		{Name: "count", Index: 2, Default: "a b", Min: &least, Max: &most},
		{Name: "text", Index: 3, Fetch: "image"},
		{Name: "plain", Index: 4},
	}
	got := Fields(reflect.TypeFor[structure]())
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Field{}, "Type")); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestFieldsRefusesUnknownRules(t *testing.T) {
	type unknown struct {
		A string `json:"a" manifest:"requierd"`
	}
	type noNumber struct {
		A int `json:"a" manifest:"min=few"`
	}
	for want, of := range map[string]reflect.Type{
		`rule.unknown.a: unknown rule "requierd"`:  reflect.TypeFor[unknown](),
		`rule.noNumber: "min=few" is not a number`: reflect.TypeFor[noNumber](),
	} {
		func() {
			defer func() {
				if message, ok := recover().(string); !ok || !strings.HasSuffix(message, want) {
					t.Errorf("panic %q, want %q", message, want)
				}
			}()
			Fields(of)
		}()
	}
}
