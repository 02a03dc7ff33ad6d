package member

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"google.golang.org/protobuf/proto"
)

// volume is the folder of a member: etcd's data (member), and beside it what is
// decided before etcd runs.
type volume struct {
	folder string
	number string // random, made with the volume
}

const (
	dataFolder    = "member"
	removedPrefix = "removed-"
	numberFile    = "number"
	agreementFile = "agreement.json"
	joiningFile   = "joining"
)

func openVolume(folder string) (*volume, error) {
	v := &volume{folder: folder}
	if err := os.Chmod(folder, 0o700); err != nil {
		return nil, fmt.Errorf("open the volume: %w", err)
	}
	number, err := v.read(numberFile)
	if err == nil && number == "" {
		number = rand.Text()
		err = v.write(numberFile, number)
	}
	v.number = number
	return v, err
}

// identity is who a volume's data belongs to.
type identity struct{ member, cluster uint64 }

// identity reads it from the beginning of etcd's write-ahead log; nil if there
// is none, so that the member has never voted.
func (v *volume) identity() (*identity, error) {
	logs, err := filepath.Glob(filepath.Join(v.folder, dataFolder, "wal", "*.wal"))
	if err != nil || len(logs) == 0 {
		return nil, err
	}
	slices.Sort(logs)
	file, err := os.Open(logs[0])
	if err != nil {
		return nil, fmt.Errorf("read the volume: %w", err)
	}
	defer func() { _ = file.Close() }()
	decoder := wal.NewDecoder(fileutil.NewFileReader(file))
	for range 4 { // it is the second record
		var record walpb.Record
		if err := decoder.Decode(&record); err != nil {
			return nil, fmt.Errorf("read %s: %w", logs[0], err)
		}
		if record.GetType() == wal.CrcType {
			decoder.UpdateCRC(record.GetCrc())
		}
		if record.GetType() != wal.MetadataType {
			continue
		}
		var metadata etcdserverpb.Metadata
		if err := proto.Unmarshal(record.GetData(), &metadata); err != nil {
			return nil, fmt.Errorf("read %s: %w", logs[0], err)
		}
		return &identity{member: metadata.GetNodeID(), cluster: metadata.GetClusterID()}, nil
	}
	return nil, fmt.Errorf("%s does not say whose it is", logs[0])
}

// setAside keeps the data of a member that was removed, and no older one.
func (v *volume) setAside(member uint64) error {
	// First what would let the volume go on as the member that it was.
	for _, name := range []string{agreementFile, joiningFile} {
		if err := os.Remove(filepath.Join(v.folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	older, err := filepath.Glob(filepath.Join(v.folder, removedPrefix+"*"))
	if err != nil {
		return err
	}
	for _, folder := range older {
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
	}
	return os.Rename(filepath.Join(v.folder, dataFolder), filepath.Join(v.folder, fmt.Sprintf("%s%x", removedPrefix, member)))
}

// joining is the member that was added for this volume; zero if none was.
func (v *volume) joining() (uint64, error) {
	text, err := v.read(joiningFile)
	if err != nil || text == "" {
		return 0, err
	}
	id, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("read the volume: %s: %w", joiningFile, err)
	}
	return id, nil
}

func (v *volume) setJoining(member uint64) error {
	return v.write(joiningFile, strconv.FormatUint(member, 16))
}

// agreement is the numbers of all volumes that found a cluster, by the members'
// names; nil if nothing is agreed.
func (v *volume) agreement() (map[string]string, error) {
	text, err := v.read(agreementFile)
	if err != nil || text == "" {
		return nil, err
	}
	var agreed map[string]string
	if err := json.Unmarshal([]byte(text), &agreed); err != nil {
		return nil, fmt.Errorf("read the volume: %s: %w", agreementFile, err)
	}
	return agreed, nil
}

func (v *volume) setAgreement(agreed map[string]string) error {
	text, err := json.Marshal(agreed)
	if err != nil {
		return err
	}
	return v.write(agreementFile, string(text))
}

// read returns the contents of a file, nothing if it does not exist.
func (v *volume) read(name string) (string, error) {
	content, err := os.ReadFile(filepath.Join(v.folder, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the volume: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}

// write returns when the file survives a power cut.
func (v *volume) write(name, content string) error {
	if err := renameio.WriteFile(filepath.Join(v.folder, name), []byte(content+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the volume: %w", err)
	}
	folder, err := os.Open(v.folder)
	if err != nil {
		return fmt.Errorf("write the volume: %w", err)
	}
	defer func() { _ = folder.Close() }()
	return folder.Sync()
}
