"""Files: read strictly (a repeated key, an unknown name or a huge file is one line of error), and written whole.

Imports text and errors. Start at strict_files.py; packaged.py finds the files that come with the package.
"""
