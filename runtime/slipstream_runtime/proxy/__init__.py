"""The data path: client and upstream protocols, the exchange between them, listeners, dialling, deadlines. The cores decide."""
