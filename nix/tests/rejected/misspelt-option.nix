{
  valid.services.moonrelay.settings = {};
  invalid.services.moonrelay.setings = {};
}
