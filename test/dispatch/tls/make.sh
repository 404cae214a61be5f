#!/bin/sh
# Makes the certificates of the tests again. They are committed, because not every machine has openssl; nothing trusts them.
set -eu
cd "$(dirname "$0")"
days=36500
ca() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days $days -subj "/CN=$2" -keyout "$1.key" -out "$1.crt" -addext basicConstraints=critical,CA:TRUE 2>/dev/null; }
leaf() { # name, issuer, subject alternative names, further options of openssl x509
  name=$1 issuer=$2 san=$3; shift 3
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" -keyout "$name.key" -out "$name.csr" 2>/dev/null
  printf 'subjectAltName=%s\n' "$san" > "$name.ext"
  openssl x509 -req -in "$name.csr" -CA "$issuer.crt" -CAkey "$issuer.key" -CAcreateserial -extfile "$name.ext" -out "$name.crt" "$@" 2>/dev/null
  rm "$name.csr" "$name.ext"
}
ca ca "pg-herald test CA"
leaf server ca DNS:localhost,DNS:receiver.test,IP:127.0.0.1 -days $days
leaf wrong-name ca DNS:elsewhere.test -days $days
leaf client ca DNS:client -days $days
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days $days -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout self-signed.key -out self-signed.crt 2>/dev/null
# `openssl x509` cannot make a certificate that is over already; `openssl ca` can.
work=$(mktemp -d)
: > "$work/index"
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' > "$work/ext"
printf '[ca]\ndefault_ca=x\n[x]\ndatabase=%s/index\nnew_certs_dir=%s\ndefault_md=sha256\npolicy=p\nrand_serial=yes\n[p]\ncommonName=supplied\n' "$work" "$work" > "$work/conf"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=expired -keyout expired.key -out "$work/csr" 2>/dev/null
openssl ca -batch -notext -config "$work/conf" -cert ca.crt -keyfile ca.key -in "$work/csr" -extfile "$work/ext" -out expired.crt -startdate 20200101000000Z -enddate 20200102000000Z 2>/dev/null
rm -rf "$work" ca.key ca.srl
