package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
	"github.com/gravity-platform/terraform-provider-gravity/runtime/recipe"
)

// hashSources hashes what the program is compiled from: Go files but tests, and
// the pinned modules.
func hashSources(folder string) (string, error) {
	sum := sha256.New()
	files := 0
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name := entry.Name()
		isSource := filepath.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go")
		if !isSource && name != "go.mod" && name != "go.sum" {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		files++
		_, err = fmt.Fprintf(sum, "%s %x\n", filepath.ToSlash(relative), sha256.Sum256(content))
		return err
	})
	if err == nil && files == 0 {
		err = fmt.Errorf("%s has no sources", folder)
	}
	if err != nil {
		return "", cli.WithHint(fmt.Errorf("read the example's programs: %w", err), "run 'make example-images' at the top of the checkout, or name the folder with --source")
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func buildArguments(version, output string) []string {
	return []string{
		"build", "-trimpath", "-buildvcs=false", "-tags=grpcnotrace",
		"-ldflags=-s -w -buildid= -X main.version=" + version, "-o", output, "./ledger",
	}
}

// compile compiles the ledger program. Nothing of the host's settings reaches
// the executable: only where modules come from is passed on.
func compile(ctx context.Context, source, version, output string) error {
	golang, err := exec.LookPath("go")
	if err != nil {
		return cli.WithHint(fmt.Errorf("find the go command: %w", err), "run tools/setup, or add Go's folder to PATH")
	}
	environment, err := environment(ctx, golang, source)
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, golang, buildArguments(version, output)...)
	command.Dir, command.Env = source, environment
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return fmt.Errorf("compile ledger %s: %w\n%s", version, err, strings.TrimSpace(said.String()))
	}
	return nil
}

// passedOn are settings of the host that tell where files and modules are.
var passedOn = []string{
	"PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
}

func environment(ctx context.Context, golang, source string) ([]string, error) {
	query := exec.CommandContext(ctx, golang, "env", "-json", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GONOPROXY", "GOCACHE", "GOMODCACHE")
	query.Dir = source
	output, err := query.Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	var settings map[string]string
	if err := json.Unmarshal(output, &settings); err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	environment := []string{
		"GOTOOLCHAIN=" + recipe.Toolchain, "GOENV=off", "GOWORK=off", "GOFLAGS=-mod=readonly", "GOTELEMETRY=off",
		"GOOS=linux", "GOARCH=amd64", "GOAMD64=v1", "GOEXPERIMENT=", "GODEBUG=", "CGO_ENABLED=0", "LC_ALL=C", "TZ=UTC",
	}
	for name, value := range settings {
		environment = append(environment, name+"="+value)
	}
	for _, name := range passedOn {
		if value, ok := os.LookupEnv(name); ok {
			environment = append(environment, name+"="+value)
		}
	}
	return environment, nil
}
