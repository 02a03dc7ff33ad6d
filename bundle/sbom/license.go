package sbom

import (
	"strings"

	"github.com/github/go-spdx/v2/spdxexp"
)

// maxLicense is the longest expression that is read, in bytes.
const maxLicense = 1000

// license returns a licence as SPDX writes it, or that it is not known: what is
// no valid expression would make the document invalid, and so would a reference
// to a licence whose text is not in it.
func license(text string) string {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxLicense || strings.Contains(strings.ToLower(text), "ref-") {
		return unknown
	}
	normalized, invalid := spdxexp.ValidateAndNormalizeLicensesWithOptions([]string{text}, spdxexp.ValidateLicensesOptions{})
	if len(invalid) > 0 || len(normalized) != 1 {
		return unknown
	}
	return normalized[0]
}
