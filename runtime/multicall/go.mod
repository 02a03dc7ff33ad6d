module github.com/gravity-platform/terraform-provider-gravity/runtime/multicall

go 1.26.0
