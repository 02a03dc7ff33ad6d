package build

import (
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// machines are the ELF machines of platforms.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// program adds the program gravity to the files of a bundle. That it is gravity,
// and for the machines of the platform, is found out here rather than on site.
func program(files bundle.Files, file string, platform v1.Platform) (*v1.Descriptor, error) {
	if err := checkProgram(file, platform); err != nil {
		hint := "name the program gravity for %s by --gravity"
		if errors.Is(err, os.ErrNotExist) {
			hint = "'make build' builds it beside tele; or name it by --gravity"
			return nil, cli.WithHint(fmt.Errorf("add the program gravity: %w", err), "%s", hint)
		}
		return nil, cli.WithHint(fmt.Errorf("add the program gravity: %s: %w", file, err), hint, platform)
	}
	descriptor, err := files.Add(file)
	if err != nil {
		return nil, fmt.Errorf("add the program gravity: %w", err)
	}
	return &descriptor, nil
}

func checkProgram(file string, platform v1.Platform) error {
	opened, err := os.Open(file)
	if err != nil {
		return err
	}
	defer opened.Close()
	executable, err := elf.NewFile(opened)
	if err != nil {
		return errors.New("it is no Linux program")
	}
	if want, ok := machines[platform.Architecture]; !ok || executable.Machine != want {
		return fmt.Errorf("it is a program for %s", executable.Machine)
	}
	for _, segment := range executable.Progs {
		if segment.Type == elf.PT_INTERP {
			return errors.New("it is linked dynamically, and needs libraries that machines may not have")
		}
	}
	info, err := buildinfo.Read(opened)
	if err != nil || path.Base(info.Path) != "gravity" || info.Main.Path == "" {
		return errors.New("it is another program")
	}
	return nil
}
