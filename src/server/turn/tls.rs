//! TLS of a TURN server (RFC 8656 §3.1): its certificate, and the handshake.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The port of TURN over TLS (RFC 8656 §3.1).
pub const PORT: u16 = 5349;

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a server proves itself with.
#[derive(Clone, Debug)]
pub struct Identity(Arc<ServerConfig>);

/// Why a certificate and a key do not make a server.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The certificates are not PEM.
    #[error("read the certificates: {0}")]
    Certificates(rustls::pki_types::pem::Error),
    /// There is none.
    #[error("find a certificate: no PEM section CERTIFICATE")]
    NoCertificate,
    /// The key is not PEM, or there is none.
    #[error("read the private key: {0}")]
    Key(rustls::pki_types::pem::Error),
    /// They do not belong together, or TLS cannot use them.
    #[error("use certificate and key: {0}")]
    Tls(#[from] rustls::Error),
}

impl Identity {
    /// From PEM: the server's certificate first and those that vouch for it after it; and its private key.
    ///
    /// # Errors
    /// When they cannot be read or do not belong together.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Identity, IdentityError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(IdentityError::Certificates)?;
        if chain.is_empty() {
            return Err(IdentityError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(IdentityError::Key)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Identity(Arc::new(config)))
    }

    /// Shakes hands with a client.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let accepting = TlsAcceptor::from(Arc::clone(&self.0)).accept(stream);
        tokio::time::timeout(PATIENCE, accepting).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}
