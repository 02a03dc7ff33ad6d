package policy

import (
	"os"
	"testing"
)

// root is the repository.
const root = "../.."

func TestEveryPackageHasOneComment(t *testing.T) {
	report(t, func() ([]string, error) { return checkDocs(os.DirFS(root)) })
}

func TestFilesAreShort(t *testing.T) {
	report(t, func() ([]string, error) { return checkSizes(os.DirFS(root), maxLines) })
}

func TestImportsGoOneWay(t *testing.T) {
	report(t, func() ([]string, error) { return checkImports(root, importRules) })
}

func report(t *testing.T, check func() ([]string, error)) {
	t.Helper()
	problems, err := check()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Error(problem)
	}
}
