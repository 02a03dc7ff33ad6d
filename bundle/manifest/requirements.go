package manifest

// Requirements are what a node must have to be of a profile (S15).
type Requirements struct {
	// CPU are numbers of processors.
	CPU CPU `json:"cpu,omitzero"`
	// RAM are sizes of memory.
	RAM RAM `json:"ram,omitzero"`
	// OS are the operating systems that will do; empty means any.
	OS []OS `json:"os,omitempty"`
	// Network is what the network between nodes must offer.
	Network Network `json:"network,omitzero"`
	// Volumes are directories, with the space that must be there.
	Volumes []Volume `json:"volumes,omitempty"`
	// Devices are device files that containers may use.
	Devices []Device `json:"devices,omitempty"`
	// CustomChecks are scripts that must succeed on the node.
	CustomChecks []CustomCheck `json:"customChecks,omitempty"`
}

// CPU bounds the number of processors; zero is no bound.
type CPU struct {
	// Min is the least number of processors.
	Min int `json:"min,omitempty" manifest:"min=0"`
	// Max is the largest number of processors.
	Max int `json:"max,omitempty" manifest:"min=0"`
}

// RAM bounds the memory; zero is no bound.
type RAM struct {
	// Min is the least memory, such as 2GB.
	Min Capacity `json:"min,omitzero"`
	// Max is the largest memory, such as 64GB.
	Max Capacity `json:"max,omitzero"`
}

// OS is an operating system by the names of os-release.
type OS struct {
	// Name is the ID of os-release, such as debian.
	Name string `json:"name" manifest:"required"`
	// Versions are prefixes of os-release's VERSION_ID; empty means any.
	Versions []string `json:"versions,omitempty"`
}

// Network is what the network between nodes must offer.
type Network struct {
	// MinTransferRate is the least bandwidth between two nodes, such as
	// 50MB/s.
	MinTransferRate TransferRate `json:"minTransferRate,omitzero"`
	// Ports must be free on the node and open between nodes.
	Ports []Ports `json:"ports,omitempty"`
}

// Ports are ports of one protocol.
type Ports struct {
	// Protocol is the transport protocol.
	Protocol Protocol `json:"protocol,omitempty" manifest:"default=tcp"`
	// Ranges are ports ("8080") and ranges of ports ("10000-10005").
	Ranges []PortRange `json:"ranges" manifest:"required"`
}

// Protocol is a transport protocol.
type Protocol string

// The transport protocols.
const (
	ProtocolTCP Protocol = "tcp"
	ProtocolUDP Protocol = "udp"
)

// Values returns the protocols that a requirement may have.
func (Protocol) Values() []string { return []string{string(ProtocolTCP), string(ProtocolUDP)} }

// Volume is a directory of a node.
type Volume struct {
	// Path is the directory on the host, absolute.
	Path Path `json:"path" manifest:"required"`
	// Name is what --mount refers to.
	Name string `json:"name,omitempty"`
	// TargetPath is the directory in the master container; empty mounts
	// nothing.
	TargetPath Path `json:"targetPath,omitempty"`
	// Capacity is the least size of the file system, such as 250GB.
	Capacity Capacity `json:"capacity,omitzero"`
	// Filesystems are the types of file systems that will do; empty means any.
	Filesystems []string `json:"filesystems,omitempty"`
	// CreateIfMissing makes the directory; it is on by default, and off with
	// skipIfMissing.
	CreateIfMissing bool `json:"createIfMissing" manifest:"default=true"`
	// SkipIfMissing mounts the directory only where it exists.
	SkipIfMissing bool `json:"skipIfMissing,omitempty"`
	// MinTransferRate is the least speed of the disk, such as 50MB/s.
	MinTransferRate TransferRate `json:"minTransferRate,omitzero"`
	// Hidden volumes are not shown by installers.
	Hidden bool `json:"hidden,omitempty"`
	// Recursive mounts what is mounted below the directory, too.
	Recursive bool `json:"recursive,omitempty"`
	// Mode is the permissions of the directory, octal in quotes such as
	// "0755"; without it they are left alone.
	Mode FileMode `json:"mode,omitzero"`
	// UID is the owner of the directory; without it the owner is left alone.
	UID *int `json:"uid,omitempty" manifest:"min=0"`
	// GID is the group of the directory; without it the group is left alone.
	GID *int `json:"gid,omitempty" manifest:"min=0"`
	// SELinuxLabel is the SELinux label of the directory.
	SELinuxLabel string `json:"seLinuxLabel,omitempty"`
}

// Device is a device file that containers may use.
type Device struct {
	// Path is the device on the host; it may be a pattern such as
	// /dev/nvidia*.
	Path Path `json:"path" manifest:"required"`
	// Permissions are what cgroups allow: r(ead), w(rite), m(ake).
	Permissions Permissions `json:"permissions,omitempty" manifest:"default=rw"`
	// FileMode is the permissions of the device file, octal in quotes.
	FileMode FileMode `json:"fileMode,omitzero" manifest:"default=0666"`
	// UID is the owner of the device file.
	UID int `json:"uid,omitempty" manifest:"min=0"`
	// GID is the group of the device file.
	GID int `json:"gid,omitempty" manifest:"min=0"`
}

// CustomCheck is a script that must succeed on a node before it is installed.
type CustomCheck struct {
	// Description says what is checked.
	Description string `json:"description,omitempty"`
	// Script is the script: text, or a file:// or http(s):// reference.
	Script Source `json:"script,omitempty" manifest:"fetch=text"`
}
