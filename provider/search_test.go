package provider_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// search keeps what Terraform writes down from when it is made: working
// directories with states and plans, and logs of all that can be logged.
type search struct {
	*testing.T
	work, log string
}

func newSearch(t *testing.T) *search {
	t.Helper()
	s := &search{T: t, work: t.TempDir(), log: filepath.Join(t.TempDir(), "log")}
	for name, value := range map[string]string{
		"TF_LOG": "TRACE", "TF_ACC_LOG_PATH": s.log, "TF_ACC_PERSIST_WORKING_DIR": "1", "TF_ACC_TEMP_DIR": s.work, "TMPDIR": s.work,
	} {
		t.Setenv(name, value)
	}
	return s
}

// check fails if any of it has a secret.
func (s *search) check(secrets ...string) {
	s.Helper()
	found := 0
	for _, root := range []string{s.work, filepath.Dir(s.log)} {
		err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
			// The test's own input is where the secrets are; links lead to sources.
			if err != nil || !entry.Type().IsRegular() || strings.Contains(entry.Name(), ".tfvars") {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			found++
			for _, secret := range secrets {
				if at := strings.Index(string(content), secret); at >= 0 {
					s.Errorf("%s has %q: …%s…", path, secret, content[max(0, at-200):at])
				}
			}
			return nil
		})
		if err != nil {
			s.Fatal(err)
		}
	}
	if info, err := os.Stat(s.log); err != nil || info.Size() < 10_000 || found < 3 {
		s.Errorf("%d files were searched, and a log: %v", found, err)
	}
}
