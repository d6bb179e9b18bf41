//! TLS towards a server: whom to trust, and what exactly is wrong with a certificate.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::failure::{Failure, TlsFault};

/// Whose certificates are accepted.
#[derive(Clone)]
pub struct Trust {
    pub(super) config: Arc<ClientConfig>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

/// Why the authorities of a file cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It is not PEM.
    #[error("read certificates of authorities: {0}")]
    Pem(rustls::pki_types::pem::Error),
    /// There is none in it.
    #[error("find a certificate: no PEM section CERTIFICATE")]
    Empty,
    /// One is not what it seems.
    #[error("use TLS: {0}")]
    Tls(#[from] rustls::Error),
}

impl Trust {
    /// The authorities that browsers trust, and those of `pem` besides.
    ///
    /// # Errors
    /// When `pem` is there and has no certificates, or some that cannot be read.
    pub fn authorities(pem: Option<&[u8]>) -> Result<Trust, TrustError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(pem) = pem {
            let own: Vec<CertificateDer<'static>> =
                CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(TrustError::Pem)?;
            if own.is_empty() {
                return Err(TrustError::Empty);
            }
            for certificate in own {
                roots.add(certificate)?;
            }
        }
        let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        Ok(Trust { config: Arc::new(builder.with_root_certificates(roots).with_no_client_auth()) })
    }

    /// Anybody: to look behind a certificate that is wrong.
    ///
    /// # Errors
    /// When the library has no protocol version, which its features exclude.
    pub fn anybody() -> Result<Trust, TrustError> {
        let provider = provider();
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let verifier = Arc::new(Anybody(provider));
        let config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        Ok(Trust { config: Arc::new(config) })
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Accepts every certificate; that the server holds its key is verified all the same.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// What the error of a handshake means.
pub(super) fn fault(error: io::Error, asked: &str) -> Failure {
    let tls = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    Failure::Tls(match tls {
        Some(rustls::Error::InvalidCertificate(e)) => certificate_fault(e, asked),
        Some(rustls::Error::InvalidMessage(_)) => TlsFault::Handshake("what answers does not speak TLS".to_owned()),
        Some(other) => TlsFault::Handshake(other.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            TlsFault::Handshake("the server closed the connection".to_owned())
        }
        None => TlsFault::Handshake(error.to_string()),
    })
}

fn certificate_fault(error: &CertificateError, asked: &str) -> TlsFault {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFault::NotYetValid,
        CertificateError::NotValidForName => TlsFault::WrongName { asked: asked.to_owned(), presented: Vec::new() },
        CertificateError::NotValidForNameContext { presented, .. } => {
            TlsFault::WrongName { asked: asked.to_owned(), presented: presented.iter().map(|n| plain(n)).collect() }
        }
        CertificateError::UnknownIssuer => TlsFault::UnknownIssuer,
        other => TlsFault::Certificate(other.to_string()),
    }
}

/// `DnsName("example.org")`, as the library lists it, is `example.org`.
fn plain(name: &str) -> String {
    name.split('"').nth(1).unwrap_or(name).chars().filter(|c| !c.is_control()).take(80).collect()
}
