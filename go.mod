module github.com/gravity-platform/terraform-provider-gravity

go 1.26.0

toolchain go1.26.8

require (
	github.com/spf13/cobra v1.10.2
	github.com/spf13/pflag v1.0.10
)

require github.com/inconshreveable/mousetrap v1.1.0 // indirect
