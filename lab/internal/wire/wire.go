// Package wire is what the processes of a lab say to each other: a client
// sends a request over a unix socket and receives lines of progress, then the
// state of the lab or an error. Messages are JSON objects one after another.
package wire

import (
	"errors"
	"net/netip"
	"time"

	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Op is what a client asks for.
type Op string

// The operations of a supervisor. All answer with the state of the lab after
// the operation.
const (
	// OpCreate makes the lab that Request.Spec describes. It is the first
	// request on the connection of the lab's owner and valid only there.
	OpCreate Op = "create"
	// OpCommit lets the lab outlive the connection of its owner.
	OpCommit Op = "commit"
	// OpStatus changes nothing.
	OpStatus Op = "status"
	// OpAdd adds the machines of Request.Machines; an empty name is chosen by
	// the supervisor.
	OpAdd Op = "add"
	// OpCut takes the machine off the network.
	OpCut Op = "cut"
	// OpHeal puts the machine back on the network.
	OpHeal Op = "heal"
	// OpKill ends everything in the machine at once, as a power failure does.
	OpKill Op = "kill"
	// OpStart boots a machine that is off.
	OpStart Op = "start"
	// OpStop shuts the machine down in an orderly way.
	OpStop Op = "stop"
	// OpDown removes the lab and ends the supervisor.
	OpDown Op = "down"
)

// Request is one message of a client.
type Request struct {
	Op       Op       `json:"op"`
	Machines []string `json:"machines,omitempty"`
	Spec     *Spec    `json:"spec,omitempty"`
}

// Spec describes a lab to be made. All paths are absolute.
type Spec struct {
	Name     string   `json:"name"`
	StateDir string   `json:"state_dir"`
	CacheDir string   `json:"cache_dir"`
	Machines []string `json:"machines"`
	// DiskSize is the size of each machine's disk in bytes.
	DiskSize int64 `json:"disk_size"`
	// Packages are the Debian packages of the machines' root file system.
	Packages []string `json:"packages"`
	// Subnet is the lab's network; if it is not valid, a free one is chosen.
	Subnet netip.Prefix `json:"subnet,omitzero"`
	// NoDefaultRoute leaves the machines with nothing but the route to their
	// own subnet.
	NoDefaultRoute bool `json:"no_default_route,omitempty"`
}

// State is what a machine is doing.
type State string

// The states of a machine.
const (
	StateStarting State = "starting"
	StateRunning  State = "running"
	StateStopping State = "stopping"
	StateOff      State = "off"
)

// Lab is the state of a lab.
type Lab struct {
	Name           string       `json:"name"`
	Subnet         netip.Prefix `json:"subnet"`
	Gateway        netip.Addr   `json:"gateway"`
	HostAddress    netip.Addr   `json:"host_address"`
	StateDir       string       `json:"state_dir"`
	KeyFile        string       `json:"key_file"`
	KnownHostsFile string       `json:"known_hosts_file"`
	SSHConfigFile  string       `json:"ssh_config_file"`
	// Owned says that the lab goes away with the process that made it.
	Owned bool `json:"owned"`
	// Ending says that the lab is being taken down.
	Ending bool `json:"ending,omitempty"`
	// SupervisorPID is the supervisor's process id on the host.
	SupervisorPID int       `json:"supervisor_pid"`
	Since         time.Time `json:"since"`
	// Warnings tell what this host cannot give to the lab.
	Warnings []string  `json:"warnings,omitempty"`
	Machines []Machine `json:"machines"`
}

// Machine is the state of one machine.
type Machine struct {
	Name           string     `json:"name"`
	Address        netip.Addr `json:"address"`
	State          State      `json:"state"`
	Connected      bool       `json:"connected"`
	User           string     `json:"user"`
	SudoUser       string     `json:"sudo_user"`
	Port           int        `json:"port"`
	KeyFile        string     `json:"key_file"`
	KnownHostsFile string     `json:"known_hosts_file"`
	Disk           Disk       `json:"disk"`
	// PID is the process id of the machine's systemd on the host, zero while
	// the machine is off.
	PID int `json:"pid,omitempty"`
	// BootSeconds is the time from start to sshd's greeting.
	BootSeconds float64 `json:"boot_seconds,omitempty"`
	ConsoleFile string  `json:"console_file"`
	// Note says why the machine is in this state, when that is not plain.
	Note string `json:"note,omitempty"`
}

// Disk is a machine's disk.
type Disk struct {
	// Kind is "image" for a file system of its own, "directory" where the host
	// has no loop devices and all machines share the host's file system.
	Kind string `json:"kind"`
	// Path is the image or the directory.
	Path string `json:"path"`
	Size int64  `json:"size"`
	// Allocated is what an image takes of the host's disk.
	Allocated int64 `json:"allocated"`
}

// Reply is one message of a supervisor. The last one of an operation has Done.
type Reply struct {
	Progress string `json:"progress,omitempty"`
	Lab      *Lab   `json:"lab,omitempty"`
	Error    *Error `json:"error,omitempty"`
	Done     bool   `json:"done,omitempty"`
}

// Error carries an error with its hints from the supervisor to the client.
type Error struct {
	Message string   `json:"message"`
	Hints   []string `json:"hints,omitempty"`
	Code    int      `json:"code,omitempty"`
}

// NewError translates an error for sending.
func NewError(err error) *Error {
	return &Error{Message: err.Error(), Hints: cli.Hints(err), Code: cli.ExitCode(err)}
}

// Err translates back.
func (e *Error) Err() error {
	if e == nil {
		return nil
	}
	return &cli.Error{Err: errors.New(e.Message), Hints: e.Hints, Code: e.Code}
}
