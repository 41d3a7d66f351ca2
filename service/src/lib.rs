//! Health, metrics and the web service.
