package main

import (
	_ "github.com/containerd/containerd/v2"
	_ "github.com/gravity-platform/terraform-provider-gravity/provider"
	_ "helm.sh/helm/v4"
)

func main() {}
