module github.com/hashicorp/terraform-plugin-framework

go 1.26.0
