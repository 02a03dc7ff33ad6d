#!/bin/sh
# The application's objects, as a Helm chart. Sourced by hook.sh.
# shellcheck disable=SC2154 # hook.sh sets namespace and folder

# web_image prints the image of the web application in this bundle.
web_image() {
	sed -n 's,^ *- image: *\(gravity\.local/examples/ledger:[^ ]*\).*,\1,p' "$folder/images.yaml"
}

apply_objects() {
	helm upgrade ledger "$folder/chart" --install --namespace "$namespace" --set "image=$(web_image)" --timeout 5m
}

# objects_state prints what return_to needs to come back to what runs now: the
# revision of the release.
objects_state() {
	kubectl get secrets -n "$namespace" -l owner=helm,name=ledger,status=deployed -o 'jsonpath={.items[0].metadata.labels.version}'
}

# return_to STATE
return_to() {
	helm rollback ledger "$1" --namespace "$namespace" --timeout 5m
}

delete_objects() {
	helm uninstall ledger --namespace "$namespace" --ignore-not-found --timeout 5m
}
