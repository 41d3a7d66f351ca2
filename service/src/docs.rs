//! The OpenAPI document as a page to read: made once, here, without scripts or anything from elsewhere.

use std::fmt::Write;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};
use utoipa::openapi::OpenApi;

use crate::wire::in_html;

/// The page, as a browser is sent it.
#[derive(Debug, Clone)]
pub(crate) struct Docs(bytes::Bytes);

/// Where the page is.
pub(crate) const DOCS_PATH: &str = "/api/docs";
/// Where its looks are: apart, so that the page needs no style of its own.
pub(crate) const STYLE_PATH: &str = "/api/docs/style.css";

impl Docs {
    pub(crate) fn of(document: &OpenApi) -> Self {
        let document = serde_json::to_value(document).expect("a document is JSON");
        Self(page(&document).into())
    }

    pub(crate) fn response(&self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
        ];
        (headers, self.0.clone()).into_response()
    }
}

pub(crate) async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
    ];
    (headers, include_str!("docs.css")).into_response()
}

const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn page(document: &Value) -> String {
    let info = &document["info"];
    let operations = operations_of(document);
    let mut tags: Vec<&str> = operations.iter().map(|operation| operation.tag).collect();
    tags.sort_unstable();
    tags.dedup();
    let mut links = String::new();
    let mut parts = String::new();
    for tag in tags {
        put(
            &mut links,
            format_args!("<li><a href=\"#{0}\">{0}</a></li>", in_html(tag)),
        );
        put(&mut parts, format_args!("<h2 id=\"{0}\">{0}</h2>", in_html(tag)));
        for operation in operations.iter().filter(|operation| operation.tag == tag) {
            parts.push_str(&operation.html());
        }
    }
    parts.push_str("<h2 id=\"schemas\">Schemas</h2>");
    for (name, schema) in object(&document["components"]["schemas"]) {
        put(
            &mut parts,
            format_args!(
                "<section id=\"schema-{0}\"><h3>{0}</h3>{1}</section>",
                in_html(name),
                details_of(schema)
            ),
        );
    }
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
        <meta name=\"viewport\" content=\"width=device-width\"><title>{title}: API</title>\
        <link rel=\"stylesheet\" href=\"{STYLE_PATH}\"><h1>{title} {version}</h1>{about}\
        <p>For programs: <a href=\"/api/openapi.json\">openapi.json</a></p>\
        <nav aria-label=\"Contents\"><ul>{links}<li><a href=\"#schemas\">Schemas</a></li></ul></nav>\
        <h2 id=\"proofs\">Who calls</h2>{proofs}<main>{parts}</main></html>",
        title = in_html(text(&info["title"])),
        version = in_html(text(&info["version"])),
        about = paragraph(&info["description"]),
        proofs = proofs(&document["components"]["securitySchemes"]),
    )
}

fn proofs(schemes: &Value) -> String {
    let mut rows = String::new();
    for (name, scheme) in object(schemes) {
        let how = match (text(&scheme["in"]), text(&scheme["name"])) {
            ("", _) => "header <code>Authorization: Bearer TOKEN</code>".to_owned(),
            (place, key) => format!("{} <code>{}</code>", in_html(place), in_html(key)),
        };
        put(&mut rows, format_args!("<tr><td>{}<td>{how}", in_html(name)));
    }
    format!("<table><tr><th>Proof<th>Sent as{rows}</table>")
}

/// One method of one path.
struct Operation<'a> {
    tag: &'a str,
    method: String,
    path: &'a str,
    value: &'a Value,
}

fn operations_of(document: &Value) -> Vec<Operation<'_>> {
    let paths = object(&document["paths"]).iter();
    let operations = paths.flat_map(|(path, item)| {
        object(item).iter().map(|(method, value)| Operation {
            tag: value["tags"][0].as_str().unwrap_or("other"),
            method: method.to_uppercase(),
            path,
            value,
        })
    });
    operations.collect()
}

impl Operation<'_> {
    fn html(&self) -> String {
        let (method, path) = (in_html(&self.method), in_html(self.path));
        format!(
            "<details id=\"{method}-{path}\"><summary><span class=\"method\">{method}</span><code>{path}</code> \
            {summary}</summary>{about}{parameters}{body}{replies}</details>",
            summary = in_html(text(&self.value["summary"])),
            about = paragraph(&self.value["description"]),
            parameters = self.parameters(),
            body = self.body(),
            replies = self.replies(),
        )
    }

    fn parameters(&self) -> String {
        let Some(parameters) = self.value["parameters"].as_array() else {
            return String::new();
        };
        let mut rows = String::new();
        for parameter in parameters {
            let needed = match parameter["required"] == Value::Bool(true) {
                true => "",
                false => ", optional",
            };
            put(
                &mut rows,
                format_args!(
                    "<tr><td><code>{}</code><td>{}{needed}<td>{}<td>{}",
                    in_html(text(&parameter["name"])),
                    in_html(text(&parameter["in"])),
                    type_of(&parameter["schema"]),
                    in_html(text(&parameter["description"])),
                ),
            );
        }
        format!("<h4>Parameters</h4><table><tr><th>Name<th>In<th>Type<th>What it is{rows}</table>")
    }

    fn body(&self) -> String {
        match content_of(&self.value["requestBody"]) {
            Some(content) => format!("<h4>Body</h4><p>{content}</p>"),
            None => String::new(),
        }
    }

    fn replies(&self) -> String {
        let mut rows = String::new();
        for (status, reply) in object(&self.value["responses"]) {
            put(
                &mut rows,
                format_args!(
                    "<tr><td><code>{}</code><td>{}<td>{}",
                    in_html(status),
                    content_of(reply).unwrap_or_else(|| "nothing".to_owned()),
                    in_html(text(&reply["description"])),
                ),
            );
        }
        format!("<h4>Replies</h4><table><tr><th>Status<th>Body<th>{rows}</table>")
    }
}

/// What a body or a reply is made of.
fn content_of(part: &Value) -> Option<String> {
    let (media_type, content) = object(&part["content"]).iter().next()?;
    Some(format!(
        "{} as <code>{}</code>",
        type_of(&content["schema"]),
        in_html(media_type)
    ))
}

/// A schema in a few words, with links to those that have names.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|link| link.rsplit('/').next()) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", in_html(name));
    }
    for (list, between) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        if let Some(schemas) = schema[list].as_array() {
            return schemas.iter().map(type_of).collect::<Vec<_>>().join(between);
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values = values
            .iter()
            .map(|value| format!("<code>{}</code>", in_html(&value.to_string())));
        return values.collect::<Vec<_>>().join(", ");
    }
    match &schema["type"] {
        Value::String(name) => type_named(name, schema),
        Value::Array(names) => {
            let names = names.iter().map(|name| type_named(text(name), schema));
            names.collect::<Vec<_>>().join(" or ")
        }
        _ => "anything".to_owned(),
    }
}

fn type_named(name: &str, schema: &Value) -> String {
    match name {
        "array" => format!("list of {}", type_of(&schema["items"])),
        "object" if schema["properties"].is_object() => fields(schema),
        _ => in_html(name),
    }
}

/// A schema with a name, whole.
fn details_of(schema: &Value) -> String {
    let all = schema["allOf"]
        .as_array()
        .map_or(std::slice::from_ref(schema), Vec::as_slice);
    let parts = all.iter().map(|part| match part["properties"].is_object() {
        true => fields(part),
        false => format!("<p>{}</p>", type_of(part)),
    });
    paragraph(&schema["description"]) + &parts.collect::<String>()
}

fn fields(schema: &Value) -> String {
    let required = schema["required"]
        .as_array()
        .map_or(&[] as &[Value], Vec::as_slice);
    let mut rows = String::new();
    for (name, field) in object(&schema["properties"]) {
        let needed = match required.iter().any(|required| required == name) {
            true => "",
            false => ", optional",
        };
        put(
            &mut rows,
            format_args!(
                "<tr><td><code>{}</code><td>{}{needed}<td>{}",
                in_html(name),
                type_of(field),
                in_html(text(&field["description"])),
            ),
        );
    }
    format!("<table><tr><th>Field<th>Type<th>What it is{rows}</table>")
}

fn paragraph(text_or_nothing: &Value) -> String {
    match text(text_or_nothing) {
        "" => String::new(),
        text => format!("<p>{}</p>", in_html(text)),
    }
}

fn put(html: &mut String, more: std::fmt::Arguments<'_>) {
    html.write_fmt(more).expect("a string takes all");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Nothing is an object without fields.
fn object(value: &Value) -> &Map<String, Value> {
    static NOTHING: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.as_object().unwrap_or(&NOTHING)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_of_the_document_are_no_markup() {
        let hostile = "</table><script>alert(1)</script>\"&";
        let parameter = json!({ "name": hostile, "in": hostile, "schema": { "enum": [hostile] }, "description": hostile });
        let operation = json!({
            "summary": hostile, "description": hostile, "tags": [hostile], "parameters": [parameter],
            "responses": { hostile: { "description": hostile, "content": { hostile: { "schema": { "$ref": hostile } } } } }
        });
        let schema = json!({ "description": hostile, "properties": { hostile: { "type": hostile } } });
        let page = page(&json!({
            "info": { "title": hostile, "version": hostile, "description": hostile },
            "paths": { hostile: { "get": operation } },
            "components": {
                "schemas": { hostile: schema },
                "securitySchemes": { hostile: { "in": hostile, "name": hostile } }
            }
        }));
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("\"&\""), "{page}");
        assert!(page.matches("&lt;script&gt;").count() >= 15, "{page}");
    }
}
