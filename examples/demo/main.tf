# A cluster of three machines, with the application of a bundle. `make demo` boots
# the machines on this host, builds the bundle and applies this.

terraform {
  required_providers {
    gravity = { source = "gravity-platform/gravity" }
  }
}

variable "machines" {
  description = "Addresses of the machines, by any names; the first one makes the cluster."
  type        = map(string)
}

variable "bundle" {
  description = "Path of the bundle, as tele build wrote it."
  type        = string
}

variable "ssh" {
  description = "How to log in to the machines: files of a private key and of known hosts."
  type        = object({ user = string, private_key = string, known_hosts = string })
}

provider "gravity" {
  ssh = {
    user        = var.ssh.user
    private_key = file(var.ssh.private_key)
    known_hosts = file(var.ssh.known_hosts)
  }
}

locals {
  first  = sort(keys(var.machines))[0]
  others = { for name, address in var.machines : name => address if name != local.first }
}

resource "gravity_cluster" "demo" {
  name              = "demo"
  bundle            = var.bundle
  advertise_address = var.machines[local.first]
}

resource "gravity_node" "demo" {
  for_each = local.others

  cluster           = gravity_cluster.demo.name
  masters           = gravity_cluster.demo.masters
  advertise_address = each.value
}

# What the cluster says when all of them are in it.
data "gravity_cluster" "demo" {
  name = gravity_cluster.demo.name
  masters = [
    for node in merge({ (local.first) = gravity_cluster.demo }, gravity_node.demo) : { address = node.advertise_address }
  ]
}

output "kubernetes_version" {
  value = data.gravity_cluster.demo.kubernetes_version
}

output "nodes" {
  value = { for node in data.gravity_cluster.demo.nodes : node.name => node.master ? "master" : "worker" }
}

output "application" {
  value = [for address in sort(values(var.machines)) : "http://${address}:30080"]
}
