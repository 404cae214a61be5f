"""An SMTP server on aiosmtpd, told by JSON what to do; says in JSON lines what happened."""
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

options = json.loads(sys.argv[2])


def tell(**event):
    print(json.dumps(event), flush=True)


class Handler:
    async def handle_DATA(self, server, session, envelope):
        # Bytes as they came, dots unstuffed.
        tell(event='mail', sender=envelope.mail_from, to=envelope.rcpt_tos, tls=session.ssl is not None,
             user=session.auth_data, raw=envelope.original_content.decode('latin1'))
        return options.get('dataReply', '250 2.0.0 kept')


def authenticate(server, session, envelope, mechanism, data):
    # Read anew each time: the administrator changes the password while the server runs.
    with open(options['passwordFile'], encoding='utf8') as file:
        password = file.read().strip()
    good = data.login.decode() == options['user'] and data.password.decode() == password
    tell(event='login', good=good, mechanism=mechanism)
    if good:
        return AuthResult(success=True, auth_data=data.login.decode())
    # aiosmtpd replies 535 5.7.8.
    return AuthResult(success=False, handled=False)


def context():
    if 'certificate' not in options:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(options['certificate'] + '.pem', options['certificate'] + '.key')
    return made


def session():
    tell(event='connection')
    made = context()
    login = {'authenticator': authenticate, 'auth_required': True, 'auth_require_tls': False} if 'passwordFile' in options else {}
    return SMTP(Handler(), tls_context=made, require_starttls=made is not None, enable_SMTPUTF8=True, ident='aiosmtpd', hostname='mx.test', **login)


async def main():
    server = await asyncio.get_running_loop().create_server(session, '127.0.0.1', int(sys.argv[1]))
    tell(event='listening')
    await server.serve_forever()


asyncio.run(main())
