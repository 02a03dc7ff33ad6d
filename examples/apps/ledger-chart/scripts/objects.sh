#!/bin/sh
# The application's objects, as a Helm chart. Sourced by hook.sh.
# shellcheck disable=SC2154 # hook.sh sets namespace and folder

# web_image prints the image of the web application in this bundle.
web_image() {
	sed -n 's,^ *- image: *\(gravity\.local/examples/ledger:[^ ]*\).*,\1,p' "$folder/images.yaml"
}

apply_objects() {
	forget_interrupted
	helm upgrade ledger "$folder/chart" --install --namespace "$namespace" --set "image=$(web_image)" --timeout 5m
}

# forget_interrupted removes what a killed helm left: it would refuse to go on.
# Hooks never run at the same time.
forget_interrupted() {
	kubectl delete secrets -n "$namespace" --ignore-not-found \
		-l 'owner=helm,name=ledger,status in (pending-install,pending-upgrade,pending-rollback)'
}

# objects_state prints what return_to needs to come back to what runs now: the
# revision of the release.
objects_state() {
	kubectl get secrets -n "$namespace" -l owner=helm,name=ledger,status=deployed -o 'jsonpath={.items[0].metadata.labels.version}'
}

# return_to STATE
return_to() {
	forget_interrupted
	helm rollback ledger "$1" --namespace "$namespace" --timeout 5m
}

delete_objects() {
	helm uninstall ledger --namespace "$namespace" --ignore-not-found --timeout 5m
}
