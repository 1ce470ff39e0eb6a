# What `helm test` runs in the cluster: sh and curl. METRICS, POP3, POP3S: HOST:PORT of what there is to ask.

fail() {
  printf 'failed: %s\n' "$1" >&2
  exit 1
}

# What the server offers, inside TLS: capabilities URL OPTION...
capabilities() {
  curl --silent --show-error --insecure --ssl-reqd --connect-timeout 10 --max-time 30 --request CAPA "$@"
}

ready=$(curl --silent --show-error --max-time 10 "http://$METRICS/readyz") || fail "$METRICS does not answer"
[ "$ready" = ready ] || fail "$METRICS says: $ready"
echo "ok: $METRICS is ready"

for url in ${POP3S:+"pop3s://$POP3S/"} ${POP3:+"pop3://$POP3/"}; do
  # Where this pod is in the networks of proxies, it has to speak as one.
  offered=$(capabilities "$url") || offered=$(capabilities "$url" --haproxy-protocol) || fail "$url does not answer as it should"
  case $offered in
    *UIDL*) echo "ok: $url" ;;
    *) fail "$url offers: $offered" ;;
  esac
done
