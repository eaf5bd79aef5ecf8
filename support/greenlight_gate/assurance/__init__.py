"""The suite judged by itself: every seeded defect is caught by the rule that it names, a healthy backend is approved.

python -m greenlight_gate.assurance            the whole matrix, printed
python -m greenlight_gate.assurance --help     what else can be asked
"""
