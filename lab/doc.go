// Package lab runs real machines on one host: systemd, sshd, a disk, a network
// address and cgroups of their own, started in seconds and gone without a
// trace. End-to-end tests, benchmarks and demonstrations use it; the command
// lab/cmd/lab makes it available to people.
//
// # Use
//
// A program that uses the package calls [SuperviseIfAsked] before anything
// else, since a lab consists of further processes of the program's own
// executable. A test does so in TestMain:
//
//	func TestMain(m *testing.M) {
//		lab.SuperviseIfAsked()
//		os.Exit(m.Run())
//	}
//
//	func TestCluster(t *testing.T) {
//		if err := lab.Check(); err != nil {
//			t.Skip(err)
//		}
//		l, err := lab.New(t.Context(), lab.Options{Name: "cluster", Count: 3})
//		…
//		t.Cleanup(func() { l.Close(context.WithoutCancel(t.Context())) })
//		result, err := l.Machine("node-1").Run(t.Context(), lab.Command{Args: []string{"hostname"}})
//	}
//
// # What a lab leaves behind
//
// Nothing. A lab belongs to the process that made it and ends with it, also if
// that process is killed; [Lab.Detach] gives it a life of its own. Everything
// hangs on one process, the supervisor: if even that is killed, the kernel
// ends the machines and takes the mounts and the network apart. A directory
// with logs and empty cgroups remain until the next New, Open or Remove of the
// same name.
//
// Machines keep their disks when they are killed or stopped. They do not
// survive their lab, nor a restart of the host.
//
// # What machines see
//
// Machines reach each other and the host by a subnet of their own (a /24 of
// 10.213.0.0/16). They have a default gateway, as servers at a site have, but
// it answers that every destination is unreachable; the name server refuses
// every question. The names of the lab's machines are in /etc/hosts.
// /var/lib/gravity is on a plain ext4 file system, everything else on an
// overlay of the same disk. The kernel, the clock and the loaded modules are
// the host's.
package lab
