//! What could be a port, and which of it this page comes by.

use std::net::IpAddr;
use std::sync::Arc;

use api::ConnectionView;
use axum::Json;
use axum::extract::{Extension, State};
use serde::Serialize;

use crate::app::App;
use crate::gate::{Connection, Viewer};
use crate::problem::Problem;
use crate::rest::told::seen_by;

/// Every connection.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Connections {
    /// Kernel interfaces in the kernel's order, then NICs that DPDK's drivers have, then ports on anything else.
    connections: Vec<OneConnection>,
}

/// One connection, as the proxy tells it, and whether this page comes by it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct OneConnection {
    #[serde(flatten)]
    connection: ConnectionView,
    /// Whether the address at which this request came in is on it: as a port it would cut the page off.
    carries_page: bool,
}

/// Every connection that is, could be or could not be a port, with the reason. Viewers get a virtual device's name without
/// its arguments.
#[utoipa::path(
    get, path = "/connections", tag = "look", operation_id = "connections",
    responses((status = 200, body = Connections))
)]
pub(crate) async fn connections(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Extension(connection): Extension<Connection>,
) -> Result<Json<Connections>, Problem> {
    let reply = app.proxy.connections().await?;
    let local = connection.local.ip();
    let connections = reply.connections.iter().map(|view| OneConnection {
        carries_page: has_address(view, local),
        connection: seen_by(&viewer, view).into_owned(),
    });
    Ok(Json(Connections { connections: connections.collect() }))
}

fn has_address(view: &ConnectionView, address: IpAddr) -> bool {
    let address = address.to_canonical();
    let mut own = view.addresses.iter().filter_map(|net| net.split('/').next()?.parse::<IpAddr>().ok());
    own.any(|own| own == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_with_the_address_of_the_request_carries_the_page() {
        let view: ConnectionView = serde_json::from_value(serde_json::json!({
            "device": "eth0", "source": "kernel", "kind": "ethernet", "kind_text": "Ethernet", "mac": null,
            "carrier": true, "addresses": ["192.168.1.5/24", "2001:db8::5/64"], "default_route": true, "port": null,
            "role": null, "usable": false, "obstacles": [],
        }))
        .unwrap();
        let has = |address: &str| has_address(&view, address.parse().unwrap());
        assert!(has("192.168.1.5") && has("::ffff:192.168.1.5") && has("2001:db8::5"));
        assert!(!has("192.168.1.6") && !has("127.0.0.1"));
    }
}
