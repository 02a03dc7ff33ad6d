package provider

import (
	_ "k8s.io/client-go"
)
