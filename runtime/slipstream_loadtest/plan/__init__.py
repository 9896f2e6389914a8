"""What will be sent, when and by whom, exactly: a LoadTest as data. Pure; nothing here sends or measures."""
