package main

import (
	_ "github.com/hashicorp/terraform-plugin-framework"
	_ "k8s.io/kubernetes/cmd"
)

func main() {}
