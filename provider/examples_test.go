package provider_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/gravity-platform/terraform-provider-gravity/provider/connection/sshtest"
	"github.com/gravity-platform/terraform-provider-gravity/provider/terraformtest"
)

// examples is where the documentation's examples lie; apps and what makes their
// images are no Terraform.
const examples = "../examples"

// TestAccExamples plans every example with a real Terraform, as its reader would:
// its machines, whatever their addresses, are one that pretends to be a master.
func TestAccExamples(t *testing.T) {
	terraformtest.Need(t)
	f := newFake(t)
	signer, private := sshtest.Key(t)
	f.reachable(signer.PublicKey(), private)
	// Built before HOME changes: that is where Go has its caches.
	program, home := buildProvider(t), t.TempDir()
	write(t, filepath.Join(home, ".ssh", "id_ed25519"), private)
	t.Setenv("HOME", home)
	// Any provider of this name is the one that is tested, and needs no init.
	write(t, os.Getenv("TF_CLI_CONFIG_FILE"), `provider_installation {
  dev_overrides { "gravity-platform/gravity" = "`+program+`" }
  direct {}
}
`)
	path := writeBundle(t)
	key := signBundle(t, path)
	reference, _ := pushBundle(t, path, false)
	bundle, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range exampleFolders(t) {
		t.Run(folder, func(t *testing.T) {
			work := t.TempDir()
			if err := os.CopyFS(work, os.DirFS(filepath.Join(examples, folder))); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(work, "ledger.tar"), string(bundle))
			write(t, filepath.Join(work, "release.pub"), key)
			switch folder {
			case "hub":
				write(t, filepath.Join(work, "terraform.tfvars"), `bundle = "oci://`+reference+`"`)
			case "demo":
				write(t, filepath.Join(work, "known_hosts"), "")
				write(t, filepath.Join(work, "terraform.tfvars"), `bundle = "ledger.tar"
machines = { one = "10.0.0.11", two = "10.0.0.12", three = "10.0.0.13" }
ssh = { user = "root", private_key = "`+filepath.Join(home, ".ssh", "id_ed25519")+`", known_hosts = "known_hosts" }
`)
			}
			// What the examples leave to the root module.
			if !strings.HasPrefix(folder, "provider") && folder != "demo" && folder != "hub" {
				write(t, filepath.Join(work, "test.tf"), "terraform {\n  required_providers {\n    gravity = { source = \"gravity-platform/gravity\" }\n  }\n}\n")
			} else if folder == "provider" {
				write(t, filepath.Join(work, "test.tf"), "data \"gravity_bundle\" \"it\" {\n  path = \"ledger.tar\"\n}\n")
			}
			if said := terraform(t, work, "plan", "-input=false", "-no-color", "-lock=false"); !strings.Contains(said, "Terraform") {
				t.Errorf("plan says %q", said)
			}
		})
	}
	if said := terraform(t, examples, "fmt", "-check", "-recursive", "-list=true"); said != "" {
		t.Errorf("not formatted; run 'terraform fmt':\n%s", said)
	}
}

// reachable makes the fake machine every machine: connections go by way of a
// bastion, which is the fake machine, too.
func (f *fake) reachable(key ssh.PublicKey, private string) {
	f.Helper()
	var here string
	f.server = sshtest.New(f, sshtest.Options{
		AuthorizedKeys: []ssh.PublicKey{key},
		Environment:    []string{"FAKE=" + f.folder, "PATH=" + f.folder + ":" + os.Getenv("PATH")},
		Forward:        func(string) string { return here },
	})
	here = "127.0.0.1:" + strconv.Itoa(f.server.Port)
	for name, value := range map[string]string{
		"HOST_KEY": f.server.HostKey, "PORT": strconv.Itoa(f.server.Port), "PASSWORD": "", "PRIVATE_KEY": private,
		"BASTION_HOST": "127.0.0.1", "BASTION_HOST_KEY": f.server.HostKey,
	} {
		f.Setenv("TF_GRAVITY_SSH_"+name, value)
	}
}

// exampleFolders are those below examples with Terraform's files.
func exampleFolders(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(examples, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			if files, _ := filepath.Glob(filepath.Join(path, "*.tf")); len(files) > 0 {
				folder, err := filepath.Rel(examples, path)
				found = append(found, folder)
				return err
			}
		}
		return err
	})
	if err != nil || len(found) < 5 {
		t.Fatalf("examples %q: %v", found, err)
	}
	return found
}

// buildProvider builds the provider and returns its folder.
func buildProvider(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(folder, "terraform-provider-gravity"), "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	return folder
}

// terraform runs Terraform in a folder and returns what it says.
func terraform(t *testing.T, folder string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Getenv(terraformtest.Path), args...)
	command.Dir = folder
	output, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("terraform %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return string(output)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(content), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
