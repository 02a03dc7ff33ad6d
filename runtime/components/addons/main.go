// Command addons is the programs that are clients of the Kubernetes API in one
// executable, chosen by the name it is called by: coredns, flanneld and helm.
// Linked apart they would take twice the space.
package main

import (
	"errors"
	"log/slog"
	"os"

	"github.com/coredns/coredns/coremain"
	helm "helm.sh/helm/v4/pkg/cmd"
	"helm.sh/helm/v4/pkg/kube"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // helm's credential plugins

	_ "github.com/gravity-platform/terraform-provider-gravity/runtime/components/addons/dns"
	"github.com/gravity-platform/terraform-provider-gravity/runtime/components/addons/flannel"
	"github.com/gravity-platform/terraform-provider-gravity/runtime/multicall"
)

func main() {
	multicall.Main(multicall.Programs{
		"coredns":  coremain.Run,
		"flanneld": flannel.Main,
		"helm":     runHelm,
	})
}

func runHelm() {
	// The field manager's name is otherwise that of the executable, and objects
	// would change owners when that is renamed.
	kube.ManagedFieldsManager = "helm"
	command, err := helm.NewRootCmd(os.Stdout, os.Args[1:], helm.SetupLogging)
	if err != nil {
		slog.Error("cannot start helm", slog.Any("error", err))
		os.Exit(1)
	}
	if err := command.Execute(); err != nil {
		var failure helm.CommandError
		if errors.As(err, &failure) {
			os.Exit(failure.ExitCode)
		}
		os.Exit(1)
	}
}
