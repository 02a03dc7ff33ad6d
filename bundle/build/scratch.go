package build

import (
	"errors"
	"os"
)

// removedFile makes a file and removes its name.
func removedFile(folder string) (*os.File, error) {
	file, err := os.CreateTemp(folder, ".scratch-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
