use std::{
    fs, io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use hyper::Uri;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, CertificateError, ClientConfig, RootCertStore,
        pki_types::{CertificateDer, InvalidDnsNameError, ServerName, pem::PemObject},
    },
};

/// Whom to believe that they are who they say: the certificate authorities of Mozilla's list, which are
/// compiled in, so that a bare container connects and no machine trusts otherwise than another; or
/// those of a file, and only those.
#[derive(Clone)]
pub(crate) struct Trust(Arc<ClientConfig>);

impl Trust {
    /// The authorities of this file of PEM; of Mozilla's list, if there is none.
    pub(crate) fn new(ca: Option<&Path>) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        match ca {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(path) => {
                let unreadable =
                    |error| TrustError::Unreadable { path: path.to_owned(), cause: error };
                let useless = |cause: String| TrustError::Useless { path: path.to_owned(), cause };
                let pem = fs::read(path).map_err(unreadable)?;
                for certificate in CertificateDer::pem_slice_iter(&pem) {
                    let certificate = certificate.map_err(|error| useless(format!("{error:?}")))?;
                    roots.add(certificate).map_err(|error| useless(error.to_string()))?;
                }
                if roots.is_empty() {
                    return Err(useless("there is no certificate in it".to_owned()));
                }
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has all of them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

/// Why nobody can be believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    #[error("--ca {}: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error("--ca {}: {cause}; it should hold certificates as PEM", path.display())]
    Useless { path: PathBuf, cause: String },
}

/// Where to connect to.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// As it was given.
    pub(crate) url: String,
    pub(crate) uri: Uri,
    host: String,
    port: u16,
    trust: Option<Trust>,
}

impl Endpoint {
    /// A URL of one of the schemes `wss`, `https` (by TLS), `ws` and `http` (in the clear).
    pub(crate) fn new(url: &str, trust: &Trust) -> Result<Self, EndpointError> {
        let bad = |why: &'static str| EndpointError { url: url.to_owned(), why };
        let uri: Uri = url.parse().map_err(|_| bad("it is no URL"))?;
        let (secure, port) = match uri.scheme_str() {
            Some("wss" | "https") => (true, 443),
            Some("ws" | "http") => (false, 80),
            _ => return Err(bad("it begins with none of wss://, ws://, https://, http://")),
        };
        let host = uri.host().ok_or_else(|| bad("there is no host in it"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(port);
        let trust = secure.then(|| trust.clone());
        Ok(Self { url: url.to_owned(), uri, host, port, trust })
    }

    /// Host and port, as a request names them.
    pub(crate) fn authority(&self) -> &str {
        self.uri.authority().map_or(&self.host, |authority| authority.as_str())
    }

    /// Opens a stream of bytes to it, by TLS if its scheme says so.
    pub(crate) async fn dial(&self, limit: Duration) -> Result<Stream, ConnectError> {
        let Self { host, port, .. } = self;
        let dial = async {
            let tcp = TcpStream::connect((host.as_str(), *port));
            let tcp = tcp.await.map_err(|cause| self.unreachable(cause))?;
            // Subscriptions and pongs are small, and nobody wants to wait for them.
            let _ = tcp.set_nodelay(true);
            let Some(Trust(config)) = &self.trust else { return Ok(Box::pin(tcp) as Stream) };
            let name = ServerName::try_from(host.clone()).map_err(|_: InvalidDnsNameError| {
                ConnectError::Tls {
                    host: host.clone(),
                    cause: io::Error::other("this is no name that a certificate could have"),
                }
            })?;
            let connector = TlsConnector::from(Arc::clone(config));
            let tls = connector.connect(name, tcp).await.map_err(|cause| self.untrusted(cause))?;
            Ok(Box::pin(tls) as Stream)
        };
        match tokio::time::timeout(limit, dial).await {
            Ok(dialled) => dialled,
            Err(_) => Err(ConnectError::Slow { host: host.clone(), port: *port, limit }),
        }
    }

    fn unreachable(&self, cause: io::Error) -> ConnectError {
        ConnectError::Unreachable { host: self.host.clone(), port: self.port, cause }
    }

    fn untrusted(&self, cause: io::Error) -> ConnectError {
        let host = self.host.clone();
        let refused = cause.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        let Some(rustls::Error::InvalidCertificate(why)) = refused else {
            return ConnectError::Tls { host, cause };
        };
        let why = match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "it has expired, or this machine's clock is wrong".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "it is another host's".to_owned()
            }
            CertificateError::UnknownIssuer => {
                "nobody who is trusted here has issued it; name the authority's certificate by \
                 --ca, if you trust it"
                    .to_owned()
            }
            other => other.to_string(),
        };
        ConnectError::Certificate { host, why }
    }
}

/// A stream of bytes, by TLS or not.
pub(crate) type Stream = Pin<Box<dyn Bytes>>;

/// What a stream of bytes can do.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Bytes for T {}

/// A URL that leads nowhere.
#[derive(Debug, thiserror::Error)]
#[error("{url:?} cannot be connected to: {why}")]
pub(crate) struct EndpointError {
    url: String,
    why: &'static str,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("{host}:{port} cannot be reached: {cause}")]
    Unreachable { host: String, port: u16, cause: io::Error },
    #[error("{host}:{port} did not answer within {limit:?}")]
    Slow { host: String, port: u16, limit: Duration },
    #[error("the certificate of {host} is refused: {why}")]
    Certificate { host: String, why: String },
    #[error("{host} does not speak TLS as it should: {cause}")]
    Tls { host: String, cause: io::Error },
    #[error("{host} does not open a WebSocket: {cause}")]
    Upgrade { host: String, cause: String },
}
