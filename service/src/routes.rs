//! Every path, in one place.

use std::{any::Any, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderName, HeaderValue, Method, Uri, header},
    middleware::from_fn_with_state,
    response::IntoResponse,
    routing::get,
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
    set_header::SetResponseHeaderLayer,
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Components, OpenApi as OpenApiDocument,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiError, Health, Service, accounts, aliases,
    caller::{SESSION_COOKIE, SHARE_HEADER},
    docs::{self, DOCS_PATH, Docs, STYLE_PATH},
    gate, hooks, lectures, oidc, operations,
    pages::Pages,
    rooms, tokens, users, webhook,
};

/// The routes, to be served by [`serve`](crate::serve) or called in process by tests.
pub fn router(service: impl Into<Arc<Service>>, health: Health) -> Router {
    let service: Arc<Service> = service.into();
    let redis = service.replicas.as_ref().map(|replicas| replicas.check());
    let health = redis.into_iter().fold(health, Health::with_check);
    let (api, document) = documented();
    let docs = Docs::of(&document);
    let document = Arc::new(document);
    let api = api
        .route(DOCS_PATH, get(async move || docs.response()))
        .route(STYLE_PATH, get(docs::style))
        .route(
            "/api/openapi.json",
            get(async move || Json(OpenApiDocument::clone(&document))),
        )
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::clone(&service));
    let cors = cors(&service);
    let pages = Pages::new(&service.settings.livekit);
    let routes = with_fallbacks(api.merge(health.router()))
        .fallback(async move |request: Request| pages.answer(&request));
    in_our_form(routes.layer(from_fn_with_state(service, gate::guard)).layer(cors))
}

/// Makes every error have our form, whoever found it.
pub(crate) fn with_errors(routes: Router) -> Router {
    in_our_form(with_fallbacks(routes))
}

/// Answers what no route does. Layers have to come after this, or they don't see such calls, browsers' questions about
/// other origins among them.
fn with_fallbacks(routes: Router) -> Router {
    routes
        .fallback(|uri: Uri| async move { ApiError::not_found(uri.path()) })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
}

fn in_our_form(routes: Router) -> Router {
    routes
        .layer(CatchPanicLayer::custom(|panic: Box<dyn Any + Send>| {
            let what = panic.downcast_ref::<&str>().copied().unwrap_or("a panic");
            ApiError::internal(what).into_response()
        }))
        .layer(always("x-content-type-options", "nosniff"))
        .layer(always("referrer-policy", "no-referrer"))
        // Lectures are shared by link, and are nobody's to find.
        .layer(always("x-robots-tag", "noindex, nofollow"))
}

/// The OpenAPI document of every path under `/api`.
pub fn open_api() -> OpenApiDocument {
    documented().1
}

fn documented() -> (Router<Arc<Service>>, OpenApiDocument) {
    let (routes, mut document) = api().split_for_parts();
    name_operations(&mut document);
    (routes, document)
}

/// Calls every operation by its method and path: what its function is called here says nothing out there, and several
/// are called alike.
fn name_operations(document: &mut OpenApiDocument) {
    for (path, item) in &mut document.paths.paths {
        let operations = [
            ("get", &mut item.get),
            ("post", &mut item.post),
            ("put", &mut item.put),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ];
        let plain = path.replace(['{', '}'], "").replace(['/', '-', '.'], "_");
        for (method, operation) in operations {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}{plain}"));
            }
        }
    }
}

fn api() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(accounts::options))
        .routes(routes!(accounts::register))
        .routes(routes!(accounts::set_up))
        .routes(routes!(accounts::log_in))
        .routes(routes!(accounts::log_out))
        .routes(routes!(accounts::me))
        .routes(routes!(accounts::change_password))
        .routes(routes!(oidc::begin))
        .routes(routes!(oidc::callback))
        .routes(routes!(operations::list, operations::make))
        .routes(routes!(operations::revoke))
        .routes(routes!(operations::audit))
        .routes(routes!(users::list))
        .routes(routes!(users::change, users::delete))
        .routes(routes!(users::make_password_link))
        .routes(routes!(users::use_password_link))
        .routes(routes!(rooms::list, rooms::create))
        .routes(routes!(rooms::show, rooms::change, rooms::delete))
        .routes(routes!(rooms::show_by_code))
        .routes(routes!(rooms::start))
        .routes(routes!(rooms::end))
        .routes(routes!(rooms::join::join))
        .routes(routes!(rooms::lobby::list))
        .routes(routes!(rooms::lobby::admit))
        .routes(routes!(rooms::lobby::deny))
        .routes(routes!(rooms::lobby::leave))
        .routes(routes!(rooms::lobby::admit_all))
        .routes(routes!(rooms::lobby::stream))
        .routes(routes!(rooms::moderate::moderate))
        .routes(routes!(rooms::moderate::bans))
        .routes(routes!(rooms::hands::raise, rooms::hands::lower))
        .routes(routes!(rooms::hands::list))
        .routes(routes!(rooms::chat::list, rooms::chat::write))
        .routes(routes!(rooms::chat::edit, rooms::chat::delete))
        .routes(routes!(rooms::chat::react, rooms::chat::take_reaction_back))
        .routes(routes!(rooms::chat::stream))
        .routes(routes!(rooms::captions::list))
        .routes(routes!(rooms::captions::stream))
        .routes(routes!(rooms::spoken::speak))
        .routes(routes!(rooms::files::list, rooms::files::share))
        .routes(routes!(rooms::files::fetch, rooms::files::delete))
        .routes(routes!(rooms::calendar::show))
        .routes(routes!(rooms::calendar::invite))
        .routes(routes!(tokens::room_token))
        .routes(routes!(tokens::room_token_v1))
        .routes(routes!(tokens::connection_info))
        .routes(routes!(tokens::publisher))
        .routes(routes!(tokens::viewer))
        .routes(routes!(tokens::media_server))
        .routes(routes!(lectures::list))
        .routes(routes!(lectures::show, lectures::erase))
        .routes(routes!(lectures::file))
        .routes(routes!(
            lectures::share::show,
            lectures::share::make,
            lectures::share::end
        ))
        .routes(routes!(lectures::segments::list))
        .routes(routes!(lectures::segments::correct))
        .routes(routes!(lectures::segments::versions))
        .routes(routes!(lectures::summaries::order))
        .routes(routes!(lectures::summaries::list))
        .routes(routes!(webhook::take))
        .routes(routes!(hooks::list, hooks::make))
        .routes(routes!(hooks::show, hooks::change, hooks::delete))
        .routes(routes!(hooks::ping))
        .routes(routes!(hooks::deliveries))
        .routes(routes!(hooks::redeliver))
        .routes(routes!(aliases::list_rooms, aliases::create_room))
        .routes(routes!(aliases::delete_room))
        .routes(routes!(aliases::join_room))
        .routes(routes!(aliases::voice_token))
        .routes(routes!(aliases::waiting_room_stats))
        .routes(routes!(aliases::change_public_meeting))
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Lectern", description = "Rooms with live captions, and the lectures that are made of them."),
    modifiers(&Proofs),
    security(("token" = []), ("cookie" = []), ("server" = []), ())
)]
struct Document;

/// The ways to prove who one is.
struct Proofs;

impl Modify for Proofs {
    fn modify(&self, document: &mut OpenApiDocument) {
        let components = document.components.get_or_insert_with(Components::new);
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(SESSION_COOKIE)));
        components.add_security_scheme("cookie", cookie);
        let server = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key")));
        components.add_security_scheme("server", server);
    }
}

/// Pages of these origins may call us with cookies; none else may.
fn cors(service: &Service) -> CorsLayer {
    let origins = service.settings.web_origins.iter();
    let origins: Vec<_> = origins
        .filter_map(|origin| HeaderValue::from_str(origin).ok())
        .collect();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PATCH,
            Method::PUT,
            Method::DELETE,
        ])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("last-event-id"),
            HeaderName::from_static("x-api-key"),
            HeaderName::from_static("x-dev-access-key"),
            HeaderName::from_static(SHARE_HEADER),
        ])
}

fn always(name: &'static str, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(HeaderName::from_static(name), HeaderValue::from_static(value))
}

/// Names, settings and messages are small. Files go another way.
const BODY_BYTES_MAX: usize = 256 * 1024;
