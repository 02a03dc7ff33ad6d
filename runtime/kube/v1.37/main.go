// Command kube is every program of Kubernetes 1.37 in one executable, chosen by
// the name it is called by.
package main

import (
	"context"
	"os"
	_ "time/tzdata" // CronJobs name time zones, and images carry no zone files.

	"github.com/spf13/cobra"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubectl's credential plugins
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	kubeapiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kubecontrollermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kubeproxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	kubescheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubeadm "k8s.io/kubernetes/cmd/kubeadm/app"
	kubeadmerrors "k8s.io/kubernetes/cmd/kubeadm/app/util/errors"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	"github.com/gravity-platform/terraform-provider-gravity/runtime/multicall"
)

func main() {
	multicall.Main(multicall.Programs{
		"kube-apiserver":          func() { run(kubeapiserver.NewAPIServerCommand()) },
		"kube-controller-manager": func() { run(kubecontrollermanager.NewControllerManagerCommand()) },
		"kube-scheduler":          func() { run(kubescheduler.NewSchedulerCommand()) },
		"kube-proxy":              func() { run(kubeproxy.NewProxyCommand()) },
		"kubelet":                 func() { run(kubelet.NewKubeletCommand(context.Background())) },
		"kubeadm":                 func() { kubeadmerrors.HandleError(kubeadm.Run()) },
		"kubectl":                 runKubectl,
	})
}

func run(command *cobra.Command) {
	os.Exit(cli.Run(command))
}

// runKubectl sets the verbosity before the command exists: plugins and the
// user's preferences are read, and log, while it is being constructed.
func runKubectl() {
	_, _ = logs.GlogSetter(kubectl.GetLogVerbosity(os.Args))
	kubectlutil.CheckErr(cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()))
}
