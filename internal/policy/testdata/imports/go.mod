module github.com/gravity-platform/terraform-provider-gravity

go 1.26.0

require (
	github.com/containerd/containerd/v2 v2.0.0
	github.com/hashicorp/terraform-plugin-framework v0.0.0
	helm.sh/helm/v4 v4.0.0
	k8s.io/client-go v0.0.0
	k8s.io/kubernetes v0.0.0
)

replace (
	github.com/containerd/containerd/v2 => ./testdata/containerd
	github.com/hashicorp/terraform-plugin-framework => ./testdata/framework
	helm.sh/helm/v4 => ./testdata/helm
	k8s.io/client-go => ./testdata/clientgo
	k8s.io/kubernetes => ./testdata/kubernetes
)
