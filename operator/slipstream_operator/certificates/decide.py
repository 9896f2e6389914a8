"""Keep or renew? A pure function of the Secret's data, the names to serve and `now`.

authority: none, unreadable, due → a new one, and with it a new certificate; the old one stays in the bundle until it expires
certificate: none, unreadable, due, other names, another authority's → a new one
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from slipstream_operator.certificates.authority import Pair, due

CERTIFICATE, KEY, BUNDLE, AUTHORITY_KEY = "tls.crt", "tls.key", "ca.crt", "ca.key"
MANAGED_PREFIX: Final = "cert-manager.io/"
OLD_AUTHORITIES: Final = 2  # beside the current one


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` says why; `until` is when the answer would be another, as far as is known now."""

    action: Literal["Keep", "RenewCertificate", "RenewAuthority"]
    reason: str
    until: datetime | None = None


def managed_elsewhere(annotations: Mapping[str, str]) -> bool:
    """cert-manager marks the Secrets that it writes; two managers of one Secret would renew for ever."""
    return any(name.startswith(MANAGED_PREFIX) for name in annotations)


def decide(data: Mapping[str, bytes], names: Sequence[str], now: datetime) -> Decision:
    """`data`: the Secret's, decoded."""
    authorities = bundle_of(data)
    authority = authorities[0] if authorities else None
    problem = _authority_problem(authority, data.get(AUTHORITY_KEY, b""), now)
    if problem or authority is None:
        return Decision("RenewAuthority", problem)
    certificate = _certificate(data.get(CERTIFICATE, b""))
    problem = _certificate_problem(certificate, data.get(KEY, b""), authority, names, now)
    if problem or certificate is None:
        return Decision("RenewCertificate", problem)
    return Decision("Keep", "current", min(due(certificate), due(authority)))


def authority_of(data: Mapping[str, bytes]) -> Pair:
    """The current authority of a Secret whose decision wasn't RenewAuthority."""
    return Pair(_pem(bundle_of(data)[0]), data[AUTHORITY_KEY])


def bundle_of(data: Mapping[str, bytes]) -> list[x509.Certificate]:
    """The authorities of a Secret, the current one first; none where they can't be read."""
    text = data.get(BUNDLE, b"")
    try:
        return x509.load_pem_x509_certificates(text) if text.strip() else []
    except ValueError:
        return []


def join(current: bytes, old: Sequence[x509.Certificate], now: datetime) -> bytes:
    """A bundle: the current authority, and old ones that something may still be served with."""
    kept = [pem for pem in dict.fromkeys(_pem(c) for c in old if c.not_valid_after_utc > now) if pem != current]
    return b"".join([current, *kept[:OLD_AUTHORITIES]])


def _authority_problem(authority: x509.Certificate | None, key: bytes, now: datetime) -> str:
    if authority is None:
        return "no authority yet"
    if not _matches(authority, key):
        return "the authority's key is missing or another's"
    if not isinstance(authority.public_key(), EllipticCurvePublicKey):
        return "the authority isn't one that was made here"
    if now >= due(authority):
        return f"two thirds of the authority's life are over since {due(authority):%Y-%m-%d}"
    return ""


def _certificate_problem(
    certificate: x509.Certificate | None, key: bytes, authority: x509.Certificate, names: Sequence[str], now: datetime
) -> str:
    if certificate is None:
        return "no certificate yet"
    if not _matches(certificate, key):
        return "the certificate's key is missing or another's"
    if not _issued_by(certificate, authority):
        return "the certificate is another authority's"
    missing = sorted(set(names) - _names(certificate))
    if missing:
        return f"the certificate isn't for {missing[0]}"
    if now < certificate.not_valid_before_utc:
        return "the certificate isn't valid yet"
    if now >= due(certificate):
        return f"two thirds of the certificate's life are over since {due(certificate):%Y-%m-%d}"
    return ""


def _certificate(text: bytes) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(text)
    except ValueError:
        return None


def _matches(certificate: x509.Certificate, key: bytes) -> bool:
    try:
        public = load_pem_private_key(key, password=None).public_key()
    except (ValueError, TypeError):
        return False
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return public.public_bytes(*form) == certificate.public_key().public_bytes(*form)


def _issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        return set()


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
