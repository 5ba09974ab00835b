"""What the chapters on training, evaluation and export are made of"""
