// Package chart renders the Helm charts of an application, so that discovery
// finds the images that they ask for. It links Helm and with it Kubernetes'
// libraries; only tele imports it.
//
// A chart is rendered as "helm install" and as "helm upgrade" would at the site:
// with the application's values, for the Kubernetes version of the target
// runtime and the API versions that it serves, with the chart's hooks, tests and
// custom resource definitions. There is no cluster to ask, so the function
// lookup finds nothing.
package chart
