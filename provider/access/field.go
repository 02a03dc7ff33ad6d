package access

import "strings"

// kind is the type of a field.
type kind int

const (
	text kind = iota
	number
	truth
)

// field is an attribute of ssh.
type field struct {
	name   string
	kind   kind
	secret bool
	about  string
}

// fields are the attributes of ssh, named as in Terraform's own connection block
// where that has them.
var fields = []field{
	{"host", text, false, "Name or address of the machine. A node that names its own is reached there."},
	{"port", number, false, "Port of sshd; 22 by default."},
	{"user", text, false, "User to log in as; `root` by default. Another user needs sudo without a password."},
	{"password", text, true, "Password of the user."},
	{"private_key", text, true, "Private key in PEM: the content, such as `file(\"~/.ssh/id_ed25519\")`."},
	{"private_key_passphrase", text, true, "Passphrase of `private_key`, if it is encrypted."},
	{"certificate", text, false, "OpenSSH certificate of `private_key`: the content."},
	{"agent", truth, false, "Whether to use the SSH agent, after `private_key`; true by default if `SSH_AUTH_SOCK` is set."},
	{"agent_identity", text, false, "Key that the agent shall offer first: its comment, fingerprint or public key."},
	{"host_key", text, false, "Public key of the machine, or of the authority that signed its host certificate; " +
		"several are separated by newlines. If it is not set, `known_hosts` counts."},
	{"known_hosts", text, false, "Content of a `known_hosts` file; by default those of the user and the system count."},
	{"insecure_ignore_host_key", truth, false, "Accept any machine that answers. Whoever can redirect traffic then gets what is sent, " +
		"passwords included; false by default."},
	{"timeout", text, false, "How long to try a machine that does not answer, such as `30s`; `5m` by default. " +
		"A machine that refuses the credentials is not tried again."},
	{"bastion_host", text, false, "Name or address of a machine through which the others are reached."},
	{"bastion_port", number, false, "Port of sshd there; that of `port` by default."},
	{"bastion_user", text, false, "User there; that of `user` by default."},
	{"bastion_password", text, true, "Password there; that of `password` by default."},
	{"bastion_private_key", text, true, "Private key for it; that of `private_key` by default."},
	{"bastion_private_key_passphrase", text, true, "Passphrase of `bastion_private_key`, if it is encrypted."},
	{"bastion_certificate", text, false, "Certificate of `bastion_private_key`."},
	{"bastion_host_key", text, false, "Public key of the bastion, or of an authority. If it is not set, `known_hosts` counts."},
}

// environmentPrefix begins the names of variables.
const environmentPrefix = "TF_GRAVITY_SSH_"

func (f field) variable() string { return environmentPrefix + strings.ToUpper(f.name) }

// description is the text for the documentation.
func (f field) description() string {
	return f.about + " Environment: `" + f.variable() + "`."
}

// overridable are the fields that a node may have.
var overridable = []string{"host", "port", "user", "host_key"}
