"""What is on the wire: frozen typed models of XML elements, one module per XEP family, no behaviour."""
