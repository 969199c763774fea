{
  valid.services.moonrelay.settings.gateway.port = 1970;
  invalid.services.moonrelay.settings.gateway.port = "1970";
}
