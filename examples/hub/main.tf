# A cluster of a bundle that a hub has, such as any OCI registry, and that must be
# signed. Both are checked when Terraform plans, with a few small requests; the bundle
# itself is fetched when the cluster is installed. Credentials are those of docker.

terraform {
  required_providers {
    gravity = {
      source = "gravity-platform/gravity"
    }
  }
}

variable "bundle" {
  description = "Bundle in the hub: with a version, or with @sha256:… for exactly that one."
  type        = string
  default     = "oci://hub.example.com/team/ledger:1.0.0"
}

variable "masters" {
  description = "Addresses of the masters; the first one is installed."
  type        = list(string)
  default     = ["10.0.0.11", "10.0.0.12", "10.0.0.13"]
}

resource "gravity_cluster" "site" {
  name              = "site"
  bundle            = var.bundle
  advertise_address = var.masters[0]

  # One of these keys must have signed it. To change keys, name the old one and the
  # new one for a while.
  signed_by = [file("${path.module}/release.pub")]
}

resource "gravity_node" "master" {
  for_each = toset(slice(var.masters, 1, length(var.masters)))

  cluster           = gravity_cluster.site.name
  masters           = gravity_cluster.site.masters
  advertise_address = each.value
}
